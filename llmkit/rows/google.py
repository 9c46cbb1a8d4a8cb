"""Gemini, by the Developer API and by Vertex AI.

Sources: https://ai.google.dev/api, https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from typing import Final

from llmkit.provider import Provider
from llmkit.wire.quirks import GeminiGenerateQuirks

_MODEL: Final = "gemini-3.6-flash"
_EMBEDDING_MODEL: Final = "gemini-embedding-001"
_ROOT: Final = "/.." * 6  # from Vertex's suffix up to its version

ROWS: Final = (
    Provider(
        name="gemini",
        wire="gemini-generate",
        base_url="https://generativelanguage.googleapis.com",
        key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        auth="x-goog-api-key",
        prices="google",
        telemetry="gcp.gemini",
        default_model=_MODEL,
        embedding_model=_EMBEDDING_MODEL,
        quirks=GeminiGenerateQuirks(unsupported=frozenset({"metadata"}), batches=True),
    ),
    Provider(
        name="vertex",
        wire="gemini-generate",
        base_url="https://{location}-aiplatform.googleapis.com",
        auth="google",
        suffix="/v1beta1/projects/{project}/locations/{location}/publishers/google",
        variables={"project": ("GOOGLE_CLOUD_PROJECT",), "location": ("GOOGLE_CLOUD_LOCATION",)},
        defaults={"location": "global"},
        special_urls={
            "location=global": "https://aiplatform.googleapis.com",
            "location=us": "https://aiplatform.us.rep.googleapis.com",
            "location=eu": "https://aiplatform.eu.rep.googleapis.com",
        },
        prices="google",
        telemetry="gcp.vertex_ai",
        default_model=_MODEL,
        embedding_model=_EMBEDDING_MODEL,
        quirks=GeminiGenerateQuirks(
            folders={"models/": "", "publishers/": "/../..", "projects/": _ROOT, "tunedModels/": ""},
            labels=True,
            numbers="cloud",
            count_wrapped=False,
            embed="single",
            predict_models=r"gemini-embedding-001|text-|textembedding-",
            embed_batch=1,
            models_path=f"{_ROOT}/publishers/google/models",
        ),
    ),
)
