"""Access tokens from google-auth's default credentials, for hosts that take no API keys.

The only importer of google-auth.

Source: https://googleapis.dev/python/google-auth/latest/user-guide.html
"""

from collections.abc import Callable

from llmkit.errors import ConfigurationError, MissingAuthError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def access_token() -> Callable[[], str]:
    """A function that returns a token, a new one where the last has expired.

    Raises:
        ConfigurationError: google-auth is not installed.
        MissingAuthError: There are no default credentials.
    """
    try:
        import google.auth  # noqa: PLC0415 - an extra
        import google.auth.exceptions  # noqa: PLC0415
        from google.auth.transport.requests import Request  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "auth: this host takes access tokens, which google-auth gets: pip install 'llmkit[vertex]', "
            "or pass a token, or a function that returns one, as api_key"
        ) from None
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except google.auth.exceptions.DefaultCredentialsError:
        raise MissingAuthError(
            "no Google credentials: run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS, "
            "or pass a token, or a function that returns one, as api_key"
        ) from None

    def token() -> str:
        try:
            if not credentials.valid:
                credentials.refresh(Request())  # type: ignore[no-untyped-call]
        except google.auth.exceptions.GoogleAuthError as error:
            failed = type(error).__name__  # its text may hold an answer of the token's host
        else:
            return str(credentials.token)
        raise MissingAuthError(f"the Google credentials give no token ({failed}): log in again, or check the network")

    return token
