"""Search, download, select and summarise; the web is made up, so that no network is needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from recursive.executor.actions.base_action import BaseAction
from recursive.executor.actions.selector_and_summazier import Page, selector, summarizier
from recursive.memory import caches

PAGES_PER_QUERY = 2


class SerpApiSearch:
    def search(self, query: str) -> list[Page]:
        if "broken" in query:
            raise ConnectionError(f"no search engine for {query}")
        return [
            {"url": f"https://pages.example/{query}/{n}", "title": f"{query} {n}"}
            for n in range(PAGES_PER_QUERY)
        ]

    def download_webpage(self, url: str) -> str:
        return f"What {url} says."

    def fetch_content(self, pages: list[Page]) -> list[Page]:
        with ThreadPoolExecutor(max_workers=4) as executor:
            texts = list(executor.map(self.download_webpage, [page["url"] for page in pages]))
        return [{**page, "content": text} for page, text in zip(pages, texts, strict=True)]


class BingBrowser(BaseAction):
    def __init__(self, selector_model: str, summarizer_model: str, max_workers: int = 4) -> None:
        self.searcher = SerpApiSearch()
        self.selector_model = selector_model
        self.summarizer_model = summarizer_model
        self.max_workers = max_workers

    def _search(self, query_list: list[str]) -> list[Page]:
        found: dict[str, list[Page]] = {}
        with ThreadPoolExecutor(max_workers=self.max_workers) as executor:
            futures = {executor.submit(self.searcher.search, q): q for q in query_list}
            for future in as_completed(futures):
                found[futures[future]] = future.result()
        return [page for query in query_list for page in found[query]]

    def full_pipeline_search(
        self, query_list: list[str], user_question: str, think: str, global_start_index: int
    ) -> dict[str, Any]:
        arguments = {"query_list": query_list, "user_question": user_question, "think": think}
        cache = caches["search"]
        known = cache and cache.get_cache("BingBrowser.full_pipeline_search", arguments)
        if known:
            return dict(known)
        pages = self.searcher.fetch_content(self._search(query_list))
        pages = selector(pages, self.max_workers, self.selector_model)
        pages = summarizier(pages, self.max_workers, self.summarizer_model)
        for index, page in enumerate(pages, start=global_start_index):
            page["global_index"] = index
        result = {"web_pages": pages, "result": "\n".join(page["summary"] for page in pages)}
        if cache is not None:
            cache.save_cache("BingBrowser.full_pipeline_search", arguments, result)
        return result
