"""Addresses: the chat's, and its style and scripts."""

from django.contrib.staticfiles.views import serve
from django.urls import include, path

urlpatterns = [
    path("", include("chat.urls")),
    # So that nothing but this process is needed; in production what stands in front of it serves these.
    path("static/<path:path>", serve, {"insecure": True}),
]
