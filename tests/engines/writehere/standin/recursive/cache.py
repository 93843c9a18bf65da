"""Answers by request, kept in a file of JSON lines."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any


def obj_to_hash(obj: Any) -> str:
    text = json.dumps(obj, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    cache_lock = threading.Lock()

    def __init__(self, fn: str, mode: str = "rw") -> None:
        self.fn = fn
        self.mode = mode
        self.cache_kv: dict[str, Any] = {}
        path = Path(fn)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.cache_kv[entry["key"]] = entry["value"]

    def get_cache(self, name: str, call_args_dict: dict[str, Any]) -> Any:
        return self.cache_kv.get(obj_to_hash({**call_args_dict, "cache_name": name}))

    def save_cache(self, name: str, call_args_dict: dict[str, Any], value: Any) -> None:
        key = obj_to_hash({**call_args_dict, "cache_name": name})
        with Cache.cache_lock, Path(self.fn).open("a", encoding="utf-8") as file:
            self.cache_kv[key] = value
            file.write(json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n")
