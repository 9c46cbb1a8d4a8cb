"""``"llmkit.django"`` in ``INSTALLED_APPS``: it brings the checks of ``settings.LLMKIT``."""

from django.apps import AppConfig
from django.core.checks import register

from llmkit.django.checks import check_settings


class LLMKitConfig(AppConfig):
    """The app; it has no models."""

    name = "llmkit.django"
    label = "llmkit"  # the last word of its name is taken
    verbose_name = "llmkit"

    def ready(self) -> None:
        """Have the settings checked."""
        register(check_settings)
