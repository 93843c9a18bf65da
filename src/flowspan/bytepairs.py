"""Tokenizers of OpenAI's models, by ``tiktoken``: loaded once, on a thread of ours.

tiktoken fetches the tables of an encoding from the network, unless they lie in the folder that
``TIKTOKEN_CACHE_DIR`` names; that is why only a setting of the user's leads here.  Until an
encoding is loaded, and where it cannot be, estimates are made by bytes.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from flowspan import background, safety
from flowspan.estimates import Tokenizer

DEFAULT_ENCODING: Final = "o200k_base"
"""For models that tiktoken does not know: other providers keep their tokenizers to themselves."""

_MISSING: Final = (
    "flowspan: FLOWSPAN_ESTIMATES=tiktoken: tiktoken is not installed; tokens are estimated by "
    "bytes; install it with: pip install 'flowspan[tiktoken]'"
)
_THREAD: Final = "flowspan-tokenizers"


class BytePairs:
    """Gives a model's tokenizer, once its encoding is loaded.

    Attributes:
        loading: The thread that imports tiktoken and loads the default encoding.
    """

    def __init__(self) -> None:
        self._tiktoken: ModuleType | None = None
        self._names: dict[str | None, str] = {}
        self._tokenizers: dict[str, Tokenizer | None] = {}
        self.loading = background.start(_THREAD, self._begin)

    def __call__(self, model: str | None) -> Tokenizer | None:
        """The tokenizer of a model; ``None`` while its encoding is being loaded."""
        if self._tiktoken is None:
            return None
        name = self._names.get(model)
        if name is None:
            name = self._names[model] = _encoding_name(self._tiktoken, model)
        if name not in self._tokenizers:
            self._tokenizers[name] = None
            self.loading = background.start(_THREAD, self._load, name)
        return self._tokenizers[name]

    def _begin(self) -> None:
        try:
            import tiktoken  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            safety.report_once("tokenizers", _MISSING)
            return
        self._tiktoken = tiktoken
        self._load(DEFAULT_ENCODING)

    def _load(self, name: str) -> None:
        assert self._tiktoken is not None  # noqa: S101 - whoever starts this has asked
        try:
            self._tokenizers[name] = _tokenizer(self._tiktoken.get_encoding(name))
        except Exception as error:  # noqa: BLE001 - no network, a broken file
            self._tokenizers[name] = None
            safety.report_once(
                f"tokenizer {name}",
                f"flowspan: FLOWSPAN_ESTIMATES=tiktoken: the encoding {name} cannot be loaded "
                f"({type(error).__name__}: {error}); tokens are estimated by bytes; "
                "TIKTOKEN_CACHE_DIR may name a folder that has it",
            )


def _tokenizer(encoding: Any) -> Tokenizer:
    return lambda text: len(encoding.encode_ordinary(text))


def _encoding_name(tiktoken: Any, model: str | None) -> str:
    try:
        return str(tiktoken.encoding_name_for_model(model or ""))
    except KeyError:
        return DEFAULT_ENCODING
