"""Every body that the tables of the four wires produce, held against the vendors' own request types, made strict.

The tables say what is sent; this says that the vendor takes it. Where a case is not for the vendor itself (a host's own
field, a block of tomorrow), or the vendor's types do not know what its API takes, it stands below with the reason.
"""

import json

import pytest
import test_anthropic_messages as anthropic_messages
import test_gemini_generate as gemini_generate
import test_openai_chat as openai_chat
import test_openai_responses as openai_responses
from conformance import vendor_types
from conformance.gemini_generate import vendor as gemini_vendor
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.responses.response_create_params import ResponseCreateParams
from test_properties import NAMED_NO_LONGER
from test_properties_openai_responses import as_the_vendor_types_it

from llmkit import AssistantMessage, Refusal, Thinking, ToolCall, UserMessage

MODULES = {
    "anthropic-messages": anthropic_messages,
    "openai-responses": openai_responses,
    "openai-chat": openai_chat,
    "gemini-generate": gemini_generate,
}
SAID = {
    "anthropic-messages": "BLOCKS",
    "openai-responses": "ITEMS",
    "openai-chat": "MESSAGES",
    "gemini-generate": "PARTS",
}


def bodies():
    """Wire, case → body: parts that the user and the model say, and options."""
    for name, module in MODULES.items():
        for case, (part, *_) in module.SENT.items():
            said_by_user = not isinstance(part, (Thinking, ToolCall, Refusal))
            sent = [UserMessage([part, "?"])] if said_by_user else [UserMessage("q"), AssistantMessage([part, "!"])]
            yield name, f"sent: {case}", module.encoded([*sent, UserMessage("and?")])
        for case, (parts, *_) in getattr(module, SAID[name]).items():
            said = AssistantMessage(parts)
            yield name, f"said: {case}", module.encoded([UserMessage("q"), said, UserMessage("and?")])
        for case, row in module.OPTIONS.items():
            quirks, options = (row[0], row[1]) if name == "openai-chat" else (module.QUIRKS, row[0])
            if quirks == module.QUIRKS:
                yield name, f"option: {case}", module.encoded("hi", quirks, **options)


# Wire, case → why the vendor's types do not have it.
TOMORROW = "what no version knows goes back as it came"
HOSTS = "a field of compatible hosts, which told it; OpenAI's own rows send none of the thoughts"
NOT_THE_VENDORS = {
    ("anthropic-messages", "said: kind of tomorrow"): TOMORROW,
    ("openai-responses", "said: part of tomorrow in a message"): TOMORROW,
    ("openai-responses", "said: field of tomorrow in a part"): TOMORROW,
    ("openai-responses", "said: kind of tomorrow"): TOMORROW,
    ("openai-chat", "sent: a block of this wire"): TOMORROW,
    ("openai-chat", "said: a call with more"): TOMORROW,
    ("openai-chat", "said: a block of another kind, in its place"): TOMORROW,
    ("openai-chat", "said: thoughts"): HOSTS,
    ("openai-chat", "said: thoughts in the other field"): HOSTS,
    ("openai-chat", "said: thoughts alone"): HOSTS,
    ("openai-chat", "said: thoughts with details"): HOSTS,
    ("openai-chat", "said: details alone"): HOSTS,
    ("openai-chat", "said: thoughts in the content"): HOSTS,
    ("openai-chat", "said: thoughts with a source in the content"): HOSTS,
    ("openai-chat", "said: a picture"): HOSTS,
    ("openai-chat", "said: a picture in the content"): HOSTS,
    ("openai-chat", "said: what was read in a file"): HOSTS,
    ("openai-chat", "option: tools"): "a tool of a host's own is among them",
    ("gemini-generate", "said: call with more to it"): TOMORROW,
    ("gemini-generate", "said: kind of tomorrow"): TOMORROW,
}
BODIES = {(name, case): body for name, case, body in bodies()}


def faults(name, body):
    match name:
        case "anthropic-messages":
            known = {key: value for key, value in body.items() if key not in NAMED_NO_LONGER}
            return vendor_types.faults(json.dumps(known).encode())
        case "openai-responses":
            return vendor_types.faults_against(ResponseCreateParams, as_the_vendor_types_it(body))
        case "openai-chat":
            return vendor_types.faults_against(CompletionCreateParams, json.dumps(body).encode())
        case _:
            return gemini_vendor.faults(body)


@pytest.mark.parametrize(("name", "case"), BODIES, ids=lambda value: value)
def test_the_vendor_takes_it(name, case):
    found = faults(name, BODIES[name, case])
    assert bool(found) is ((name, case) in NOT_THE_VENDORS), found


def test_the_list_has_no_case_that_is_gone():
    assert NOT_THE_VENDORS.keys() <= BODIES.keys()
