# The main command in a container.
#   docker build -t fedpsyau .                               CPU
#   docker build -t fedpsyau --build-arg EXTRA=cuda .        NVIDIA GPU; then run with --gpus all
#   docker run --rm -v "$PWD:/work" fedpsyau fed --clients=5
# Datasets, caches and runs stay in the folder that is mounted at /work.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim
ARG EXTRA=
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip install --no-cache-dir -c /source/constraints.txt "/source${EXTRA:+[$EXTRA]}" && rm -rf /source
ENV TFDS_DATA_DIR=/work/datasets XDG_CACHE_HOME=/work/.cache MPLBACKEND=Agg
WORKDIR /work
ENTRYPOINT ["fedpsyau"]
CMD ["fed", "--clients=5"]
