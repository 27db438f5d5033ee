# kling-mcp in a container. By default it serves one client over stdin and stdout:
#   docker build -t kling-mcp .
#   docker run -i --rm -e KLING_API_KEY -v kling-mcp-state:/state \
#     -v "$HOME/Pictures:/pictures:ro" -e KLING_MCP_MEDIA_DIRS=/pictures kling-mcp
#   docker run -p 127.0.0.1:8000:8000 -v kling-mcp-state:/state -e KLING_MCP_ALLOWED_HOSTS=localhost \
#     -e KLING_MCP_HTTP_TOKEN kling-mcp serve --transport http --host 0.0.0.0
# The named volume keeps the journal of creations; without it, each start begins with an empty one.
# Settings come from the environment, and from files that it names, at start; no layer holds a secret.

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY kling_mcp kling_mcp
RUN python -m venv /opt/kling-mcp \
 && /opt/kling-mcp/bin/pip install --no-cache-dir --disable-pip-version-check '.[postgres]' \
 && /opt/kling-mcp/bin/python -m compileall -q /opt/kling-mcp/lib

FROM python:3.13-slim
LABEL io.modelcontextprotocol.server.name="io.github.kling-mcp/kling-mcp" \
      org.opencontainers.image.title="kling-mcp" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/kling-mcp/kling-mcp"
COPY --from=build /opt/kling-mcp /opt/kling-mcp
# The program runs as an unprivileged user that can write only to the state folder.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent kling \
 && install -d -o kling -m 0700 /state
ENV PATH=/opt/kling-mcp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    KLING_MCP_STATE_DIR=/state
USER 10001
WORKDIR /state
VOLUME /state
STOPSIGNAL SIGTERM
ENTRYPOINT ["kling-mcp"]
