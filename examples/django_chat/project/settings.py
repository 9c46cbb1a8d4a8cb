"""Settings of the example; what differs from place to place comes from the environment.

CHAT_PROVIDER, CHAT_MODEL  who answers, as in ``CHAT_PROVIDER=openai``; its key is found in its own variable
CHAT_BASE_URL, CHAT_KEY    another address of it, and the key for that
CHAT_REASONING             how much it thinks, as in ``CHAT_REASONING=low``; unset, as much as it likes
CHAT_DATABASE              the file of the history
CHAT_HTTPS                 set where what stands in front speaks TLS; it must set X-Forwarded-Proto itself, always
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
# As `startproject` makes one: good enough on your own machine, where it is the default.
SECRET_KEY = os.environ.get("SECRET_KEY", "django-insecure-example-of-a-chat-for-one-machine-alone-0123456789")
DEBUG = bool(os.environ.get("DEBUG"))
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost 127.0.0.1").split()

LLMKIT = {
    "default": {
        "provider": os.environ.get("CHAT_PROVIDER", "anthropic"),
        **{
            option: os.environ[variable]
            for option, variable in {"model": "CHAT_MODEL", "base_url": "CHAT_BASE_URL", "key": "CHAT_KEY"}.items()
            if variable in os.environ
        },
    }
}
CHAT_OPTIONS = {"reasoning": os.environ.get("CHAT_REASONING")}
CHAT_IMAGE_BYTES = 4 * 1024 * 1024  # of a picture; the providers take little more

INSTALLED_APPS = ["django.contrib.sessions", "django.contrib.staticfiles", "llmkit.django", "chat"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "chat.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("CHAT_DATABASE", BASE_DIR / "chat.sqlite3"),
        # Many answers end at once: each waits for its turn to write, and none of the readers does.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Whose a conversation is stands in a signed cookie, as nobody logs in here.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_AGE = 365 * 24 * 3600
DATA_UPLOAD_MAX_NUMBER_FILES = 1
if os.environ.get("CHAT_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SILENCED_SYSTEM_CHECKS = ["security.W004"]  # for how long browsers insist on TLS is for the owner of the domain to say
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
