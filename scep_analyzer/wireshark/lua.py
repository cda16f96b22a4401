"""Python values as Lua 5.2 source. What is written this way is data: no text from the wire can end its string."""

from collections.abc import Mapping


def literal(value: object) -> str:
    """Write a value: None, booleans, integers, text, sequences, mappings with text or integers as keys."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"[{literal(key)}] = {literal(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "{ " + ", ".join(map(literal, value)) + " }"
    raise TypeError(f"no Lua for {type(value).__name__}")


def quoted(text: str) -> str:
    r"""Write a string in double quotes: printable ASCII as it is, every other byte of its UTF-8 as ``\ddd``."""
    return '"' + "".join(map(_character, text.encode("utf-8", "surrogatepass"))) + '"'


def _character(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
    return chr(byte) if plain else f"\\{byte:03d}"
