"""What stands between tags in a model's answer."""

from __future__ import annotations

import re


def parse_hierarchy_tags_result(res: str, tags: list[str]) -> str:
    for tag in tags:
        found = re.findall(f"<{tag}>(.*?)</{tag}>", res, re.DOTALL)
        res = "\n".join(part.strip() for part in found)
    return res
