"""Plain HTTP: a model is asked by requests, by httpx as a stream, and by the standard library."""

import json
import os
import urllib.request

import httpx
import requests

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
HEADERS = {
    "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
    "content-type": "application/json",
}


def body(question: str, **more: object) -> dict[str, object]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": question}], **more}


def by_requests() -> None:
    response = requests.post(URL, json=body("Say this is a test"), headers=HEADERS, timeout=30)
    print(response.json()["choices"][0]["message"]["content"])


def by_httpx() -> None:
    asked = body("Count from one to three", stream=True, stream_options={"include_usage": True})
    with httpx.stream("POST", URL, json=asked, headers=HEADERS) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line.removeprefix("data: "))["choices"]
                print(choices[0]["delta"].get("content") or "" if choices else "", end="")
    print()


def by_urllib() -> None:
    data = json.dumps(body("Say good bye")).encode()
    request = urllib.request.Request(URL, data, HEADERS)
    with urllib.request.urlopen(request) as response:
        print(json.load(response)["choices"][0]["message"]["content"])


if __name__ == "__main__":
    by_requests()
    by_httpx()
    by_urllib()
