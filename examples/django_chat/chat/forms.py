"""What a user may say: some text, and a picture."""

from typing import Any, Final

from django import forms
from django.conf import settings

from llmkit import Image
from llmkit.django.forms import UploadField

TYPES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")  # what providers read, and browsers show
WRONG: Final = "Only PNG, JPEG, WebP and GIF pictures can be sent."
SAID: Final = {
    "too_large": "The picture is too large: up to %(most)d MB can be sent.",
    "unreadable": WRONG,
    "wrong_kind": WRONG,
    "empty": WRONG,
}


class Words(forms.CharField):
    """Text with ends of lines as they were typed, and counted: forms are sent with two characters for each."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


class SayForm(forms.Form):
    """One turn of the user."""

    text = Words(required=False, max_length=20_000)
    image = UploadField(required=False, max_bytes=settings.CHAT_IMAGE_BYTES, error_messages=SAID)

    def clean_image(self) -> Image | None:
        image: Image | None = self.cleaned_data["image"]
        if image is not None and image.media_type not in TYPES:
            raise forms.ValidationError(WRONG)
        return image

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        if not self.errors and not found["text"] and not found["image"]:
            raise forms.ValidationError("Say something, or attach a picture.")
        return found
