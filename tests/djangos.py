"""Django, configured once for all tests of this process; PYTEST_DONT_REWRITE is for who uses it as a plugin."""

import django
import pytest
from django.conf import settings

APPS = ["django.contrib.contenttypes", "llmkit.django"]
MIDDLEWARE = [
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.common.CommonMiddleware",
]

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "CONN_MAX_AGE": None}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        FILE_UPLOAD_TEMP_DIR=None,
        INSTALLED_APPS=APPS,
        MIDDLEWARE=MIDDLEWARE,
        SECRET_KEY="of-a-test",
        USE_TZ=True,
    )
    django.setup()


@pytest.fixture
def database(tmp_path):
    """A database in a file of the test's own, which all threads see; what is connected to."""
    from django.db import connection, connections

    before = connection.settings_dict["NAME"]
    connections.close_all()
    connection.settings_dict["NAME"] = str(tmp_path / "test.sqlite3")
    yield connection
    connections.close_all()
    connection.settings_dict["NAME"] = before
