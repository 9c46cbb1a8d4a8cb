"""What the providers' documentation says of the schemas that they take, as checkers: each tells what breaks a rule."""


def inside(node):
    """What stands right inside a schema: the keyword, and it."""
    for key in ("properties", "$defs", "definitions"):
        yield from ((key, inner) for inner in node.get(key, {}).values())
    for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
        yield from ((key, inner) for inner in node.get(key, ()))
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield key, node[key]


def everywhere(node):
    yield node
    for _, inner in inside(node):
        yield from everywhere(inner)


SHARED = "$ref $defs definitions type title description enum const anyOf properties required additionalProperties items"
OF_OPENAI = f"{SHARED} minItems maxItems pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"
OPENAI_FORMATS = "date-time time date duration email hostname ipv4 ipv6 uuid"


def breaks_of_openai(root):
    """https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"""
    if root.get("type") != "object" or "anyOf" in root:
        yield "the root is no object"
    for node in everywhere(root):
        yield from (f"has {key}" for key in node if key not in OF_OPENAI.split())
        if "$ref" in node and len(node) > 1:
            yield "a reference with something beside it"
        if not node.keys() & {"$ref", "type", "anyOf"}:
            yield "no type"
        if "format" in node and node["format"] not in OPENAI_FORMATS.split():
            yield "another format"
        if "object" in node.get("type", ()):
            if node.get("additionalProperties") is not False:
                yield "an open object"
            if sorted(node.get("required", ())) != sorted(node.get("properties", ())):
                yield "a property that may be left out"
        if "array" in node.get("type", ()) and "items" not in node:
            yield "a list of anything"


OF_ANTHROPIC = f"{SHARED} minItems default format"
ANTHROPIC_FORMATS = "date-time time date duration email hostname uri ipv4 ipv6 uuid"


def breaks_of_anthropic(root):
    """https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations"""
    for node in everywhere(root):
        yield from (f"has {key}" for key in node if key not in OF_ANTHROPIC.split())
        if "$ref" in node and len(node) > 1:
            yield "a reference with something beside it"
        if not node.keys() & {"$ref", "type", "anyOf", "enum", "const"}:
            yield "anything"
        if node.get("minItems", 0) > 1:
            yield "a number of items"
        if "format" in node and node["format"] not in ANTHROPIC_FORMATS.split():
            yield "another format"
        if "object" in node.get("type", ()) and node.get("additionalProperties") is not False:
            yield "an open object"
        if any(isinstance(value, (dict, list)) for value in node.get("enum", ())):
            yield "a value that is no scalar"
    for name, definition in root.get("$defs", {}).items():
        if name in reached(root, definition):
            yield "a definition that holds another of itself"


def reached(root, node, seen=frozenset()):
    """The names of the definitions that a schema leads to."""
    names = {
        found["$ref"].rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        for found in everywhere(node)
        if "$ref" in found
    }
    for name in names - seen:
        seen = seen | {name} | reached(root, root["$defs"][name], seen | {name})
    return seen


OF_GEMINI = (
    "$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum "
    "anyOf oneOf properties additionalProperties required propertyOrdering"
)


def breaks_of_gemini(root):
    """https://ai.google.dev/api/generate-content#FIELDS.response_json_schema"""
    for node in everywhere(root):
        yield from (f"has {key}" for key in node if key not in OF_GEMINI.split())
        if "$ref" in node and not all(key.startswith("$") for key in node):
            yield "a reference with something beside it"
        if any(isinstance(value, bool) or not isinstance(value, (str, int, float)) for value in node.get("enum", ())):
            yield "a value that is neither text nor number"
        if isinstance(node.get("items"), bool):
            yield "items that are no schema"
