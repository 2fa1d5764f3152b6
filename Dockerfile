# Serving only, without the training extras:  docker build -t tact .
# The part `console`, with them:              docker build -t tact-console --target console .
FROM python:3.11-slim AS serving

RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 tact \
 && install -d -o tact -g tact /var/lib/tact

WORKDIR /opt/tact
COPY requirements-serving.lock .
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-serving.lock
COPY features features
COPY models models
COPY service service
COPY tact tact
COPY examples examples

# The compiled folds are kept here, so that a restart does not compile again.
ENV PYTHONPATH=/opt/tact PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/var/lib/tact/numba \
    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
    TACT_HOME=/var/lib/tact TACT_HOST=0.0.0.0 TACT_PORT=8000
USER tact
VOLUME /var/lib/tact
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "tact"]
CMD ["up"]

# Reads the lake, judges policies and bundles, trains nothing by itself. It serves no HTTP.
FROM serving AS console
USER root
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY training training
USER tact
HEALTHCHECK NONE
CMD ["up", "--part", "console"]

# The last stage is what a build without --target makes.
FROM serving
