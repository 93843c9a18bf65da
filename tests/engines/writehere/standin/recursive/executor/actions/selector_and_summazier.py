"""Which pages matter and what is in them: one model call per page, in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recursive.llm.llm import OpenAIApiProxy
from recursive.utils.file_io import parse_hierarchy_tags_result

Page = dict[str, Any]


class _PerPage:
    system = ""
    tag = ""

    def __init__(self, model: str, max_workers: int) -> None:
        self.model = model
        self.max_workers = max_workers
        self.llm = OpenAIApiProxy(verbose=False)

    def ask(self, page: Page, *, overwrite_cache: bool = False) -> str:
        messages = [
            {"role": "system", "content": self.system},
            {"role": "user", "content": f"{page['title']}\n{page['content']}"},
        ]
        answer = self.llm.call(messages=messages, model=self.model, overwrite_cache=overwrite_cache)
        return parse_hierarchy_tags_result(answer[0]["message"]["content"], [self.tag])

    def predict(self, page: Page) -> Page:
        raise NotImplementedError

    def all_pages(self, web_pages: list[Page]) -> list[Page]:
        with ThreadPoolExecutor(max_workers=self.max_workers) as executor:
            return list(executor.map(self.predict, web_pages))


class EvidenceSelectorAPIClientOpenAI(_PerPage):
    system = "rich and fully satisfy / partially satisfy / not satisfy? <answer></answer>"
    tag = "answer"

    def compute_score(self, web_pages: list[Page]) -> list[Page]:
        return self.all_pages(web_pages)

    def predict(self, page: Page) -> Page:
        judgement = self.ask(page)
        if "satisfy" not in judgement:
            judgement = self.ask(page, overwrite_cache=True)
        page["judgement"] = 0 if "not satisfy" in judgement else 1
        return page


class Summarizier(_PerPage):
    system = "Organize the page in <content></content>."
    tag = "content"

    def summarize(self, web_pages: list[Page]) -> list[Page]:
        return self.all_pages(web_pages)

    def predict(self, page: Page) -> Page:
        page["summary"] = self.ask(page)
        return page


def selector(web_pages: list[Page], max_workers: int, model: str) -> list[Page]:
    judged = EvidenceSelectorAPIClientOpenAI(model, max_workers).compute_score(web_pages)
    return [page for page in judged if page["judgement"]]


def summarizier(web_pages: list[Page], max_workers: int, model: str) -> list[Page]:
    return Summarizier(model, max_workers).summarize(web_pages)
