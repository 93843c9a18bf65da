"""Amazon Bedrock by boto3: Converse, its stream, and a model's own format."""

import json

import boto3
from botocore.client import BaseClient

MODEL = "anthropic.claude-3-5-sonnet-20240620-v1:0"


def answer(client: BaseClient) -> None:
    response = client.converse(
        modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Say this is a test"}]}]
    )
    print(response["output"]["message"]["content"][0]["text"])


def stream(client: BaseClient) -> None:
    response = client.converse_stream(
        modelId=MODEL,
        messages=[{"role": "user", "content": [{"text": "Count from one to three"}]}],
    )
    for event in response["stream"]:
        delta = event.get("contentBlockDelta", {}).get("delta", {})
        print(delta.get("text", ""), end="")
    print()


def own_format(client: BaseClient) -> None:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Say good bye"}],
    }
    response = client.invoke_model(modelId=MODEL, body=json.dumps(body))
    print(json.loads(response["body"].read())["content"][0]["text"])


if __name__ == "__main__":
    bedrock = boto3.client("bedrock-runtime")
    answer(bedrock)
    stream(bedrock)
    own_format(bedrock)
