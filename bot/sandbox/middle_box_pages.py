"""The answers of real proxies, load balancers and API managers, for the middle box and for the tests."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from bot.sandbox.faults import Canned


def nginx(status: int) -> Canned:
    """Return nginx's page for a status."""
    title = f"{status} {_phrase(status)}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    return _text(status, page + "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", "text/html")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"


def _text(status: int, text: str, kind: str = "text/plain") -> Canned:
    return Canned(status, text.encode(), {"Content-Type": kind})


def _json(status: int, body: Any) -> Canned:
    return Canned(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _spring(status: int, **more: object) -> Canned:
    body = {"timestamp": "2026-11-23T09:00:00.000+00:00", "status": status, "error": _phrase(status)}
    return _json(status, {**body, **more, "path": _PATH})


def _flat(status: int, message: object, **more: object) -> Canned:
    """Return the default error of several frameworks for Node.js."""
    return _json(status, {"statusCode": status, "error": _phrase(status), "message": message, **more})


def _coded(status: int, code: str, message: str, **more: object) -> Canned:
    """Return an error object with a text as its code, as Microsoft's guideline for REST has it."""
    return _json(status, {"error": {"code": code, "message": message, **more}})


def _problem(status: int, **more: object) -> Canned:
    return _json(status, {"type": "about:blank", "title": _phrase(status), "status": status, **more})


_PATH = "/api/v1/payment-gateway/order/cancel"
_GATEWAY_ERROR = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available.\n</body></html>\n"
_SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in to continue</title></head><body><form>…</form></body></html>"

PAGES: dict[str, Callable[[int], Canned]] = {
    "nothing": Canned,
    "nginx": nginx,
    "HAProxy": lambda status: _text(status, _GATEWAY_ERROR, "text/html"),
    "Heroku": lambda status: _text(status, "<!DOCTYPE html>\n<title>Application error</title>", "text/html"),
    "sign-in page": lambda status: _text(status, _SIGN_IN, "text/html"),
    "Envoy": lambda status: _text(status, "upstream connect error or disconnect/reset before headers"),
    "Istio": lambda status: _text(status, "RBAC: access denied"),
    "Traefik": lambda status: _text(status, f"{_phrase(status)}\n"),
    "Cloudflare text": lambda status: _text(status, "error code: 1015"),
    "Kong": lambda status: _json(status, {"message": _phrase(status), "request_id": "8d4b5a3c"}),
    "AWS": lambda status: _json(status, {"message": _phrase(status)}),
    "Azure": lambda status: _json(status, {"statusCode": status, "message": "Rate limit is exceeded. Try again."}),
    "Spring": _spring,
    "Spring with a message": lambda status: _spring(status, message="No message available", requestId="1f-1"),
    "Google": lambda status: _json(status, {"error": {"code": status, "message": "…", "status": "UNAVAILABLE"}}),
    "Vercel": lambda status: _json(status, {"error": {"code": str(status), "message": "The page could not be found"}}),
    "Cloudflare": lambda status: _json(
        status, {"success": False, "errors": [{"code": 10000, "message": "Error"}], "messages": [], "result": None}
    ),
    "Apigee": lambda status: _json(
        status, {"fault": {"faultstring": "Quota violated", "detail": {"errorcode": "policies.ratelimit.Violation"}}}
    ),
    "Tyk": lambda status: _json(status, {"error": "API Rate limit exceeded"}),
    "problem details": lambda status: _problem(status, detail="Something went wrong"),
    "ASP.NET": lambda status: _problem(status, traceId="00-84c1fd4063c38d9f3900d06e56542d48-85d1d4-00"),
    "Akamai": lambda status: _problem(status, detail="Service temporarily unavailable.", instance="/errors/76b1"),
    "NestJS": lambda status: _flat(status, f"Cannot POST {_PATH}"),
    "NestJS validation": lambda status: _flat(status, ["order_id must be a string", "order_id should not be empty"]),
    "NestJS throttler": lambda status: _json(
        status, {"statusCode": status, "message": "ThrottlerException: Too Many Requests"}
    ),
    "Fastify": lambda status: _flat(status, f"Route POST:{_PATH} not found"),
    "Fastify with a code": lambda status: _flat(
        status, "Request body size did not match Content-Length", code="FST_ERR_CTP_INVALID_CONTENT_LENGTH"
    ),
    "Fastify as a proxy": lambda status: _flat(status, _phrase(status), code="FST_REPLY_FROM_SERVICE_UNAVAILABLE"),
    "hapi": lambda status: _flat(status, "Missing authentication"),
    "hapi with attributes": lambda status: _flat(
        status, "Missing authentication", attributes={"error": "Missing authentication"}
    ),
    "words of the status": lambda status: _json(
        status, {"error": _phrase(status), "message": "upstream response invalid"}
    ),
    "Azure API errors": lambda status: _coded(status, "TooManyRequests", "Rate limit is exceeded."),
    "Azure Resource Manager": lambda status: _coded(status, "ResourceNotFound", "Resource not found"),
    "Azure with details": lambda status: _coded(
        status, "BadRequest", "Several errors.", target="order", details=[{"code": "Null", "message": "No order."}]
    ),
    "Microsoft Graph": lambda status: _coded(
        status, "Forbidden", "No.", innerError={"request-id": "8d4b5a3c", "date": "2026-11-23T09:00:00"}
    ),
    "OpenAI": lambda status: _coded(status, "rate_limit_exceeded", "Rate limit reached.", type="requests", param=None),
    "Vercel with a name": lambda status: _coded(status, "FUNCTION_INVOCATION_TIMEOUT", "An error has occurred"),
    "LoopBack": lambda status: _coded(
        status, "VALIDATION_FAILED", "Not valid.", statusCode=status, name="UnprocessableEntityError", details=[]
    ),
    "Strapi": lambda status: _json(
        status, {"data": None, "error": {"status": status, "name": "Error", "message": _phrase(status), "details": {}}}
    ),
    "Ory Oathkeeper": lambda status: _json(
        status,
        {"error": {"code": status, "status": _phrase(status), "request": "8d4b5a3c", "message": "Access denied"}},
    ),
    "FastAPI": lambda status: _json(status, {"detail": _phrase(status)}),
    "FastAPI validation": lambda status: _json(
        status, {"detail": [{"type": "missing", "loc": ["body", "order_id"], "msg": "Field required", "input": {}}]}
    ),
    "FastAPI with a handler": lambda status: _coded(status, "HTTP_ERROR", "Something went wrong"),
    "Django REST framework": lambda status: _json(status, {"detail": "Not found."}),
    "Rails": lambda status: _json(status, {"status": status, "error": _phrase(status)}),
    "Laravel": lambda status: _json(status, {"message": "Too Many Attempts."}),
    "Phoenix": lambda status: _json(status, {"errors": {"detail": _phrase(status)}}),
    "Micronaut": lambda status: _json(
        status, {"message": _phrase(status), "_embedded": {"errors": [{"message": "Page not found"}]}}
    ),
    "Kubernetes": lambda status: _json(
        status, {"kind": "Status", "status": "Failure", "message": "Forbidden", "reason": "Forbidden", "code": status}
    ),
    "Emissary": lambda status: _json(
        status, {"status_code": status, "message": _phrase(status), "request_id": "8d4b5a3c"}
    ),
    "APISIX": lambda status: _json(status, {"error_msg": "404 Route Not Found"}),
    "Gravitee": lambda status: _json(status, {"message": "Unauthorized", "http_status_code": status}),
    "WSO2": lambda status: _json(
        status, {"code": "900802", "message": "Message throttled out", "description": "You have exceeded your quota"}
    ),
    "Huawei API Gateway": lambda status: _json(
        status, {"error_code": "APIG.0101", "error_msg": "API does not exist", "request_id": "acbc548a"}
    ),
    "Railway": lambda status: _json(
        status, {"status": "error", "code": status, "message": "Application failed", "request_id": "8d4b5a3c"}
    ),
    "Elasticsearch": lambda status: _json(
        status, {"error": {"type": "security_exception", "reason": "missing authentication"}, "status": status}
    ),
    "OAuth": lambda status: _json(status, {"error": "invalid_token", "error_description": "The token expired"}),
    "a mirror": lambda status: _json(status, {"order_id": "ord_1", "reason": "typed twice"}),
}
"""The answer of each to a call, by the name of the product; with a status of its own choice in real life."""
