# The oldest Python that the tests run on.
FROM python:3.11-slim AS builder

RUN ["python", "-m", "venv", "/opt/venv"]
COPY requirements.txt /tmp/requirements.txt
# Wheels only: a build from source would fetch build tools that no hash covers.
RUN ["/opt/venv/bin/python", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", \
     "--only-binary", ":all:", "--requirement", "/tmp/requirements.txt"]


FROM python:3.11-slim

ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0

RUN ["useradd", "--uid", "10001", "--no-create-home", "--shell", "/usr/sbin/nologin", "desk"]
RUN ["install", "--directory", "--mode=0700", "--owner=desk", "--group=desk", "/app/data"]

WORKDIR /app
COPY --from=builder /opt/venv /opt/venv
COPY bot ./bot
RUN ["python", "-m", "compileall", "-q", "bot"]

# A number, because an orchestrator cannot see from a name that it is not root.
USER 10001:10001
VOLUME /app/data
EXPOSE 3000

HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ.get('PORT') or 3000}/healthz\", timeout=4)"]

CMD ["python", "-m", "bot", "run"]
