# docker build -t d2l_ext .
# docker run --rm -p 8888:8888 d2l_ext    and open the address that it prints
FROM python:3.13-slim AS system
# what MXNet loads and its wheel does not bring; on ARM it asks for LAPACK
# hadolint ignore=DL3008
RUN case "$(dpkg --print-architecture)" in \
        amd64) set -- libquadmath0 ;; \
        arm64) set -- liblapacke libopenblas0-pthread ;; \
        *) set -- ;; \
    esac \
    && apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 "$@" \
    && rm -rf /var/lib/apt/lists/*

FROM system
RUN useradd --uid 1000 --create-home reader && install -d -o reader -g reader /srv/d2l_ext
USER 1000
WORKDIR /srv/d2l_ext
COPY --chown=1000:1000 pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=1000:1000 d2l_ext d2l_ext
COPY --chown=1000:1000 notebooks notebooks
ENV PIP_NO_CACHE_DIR=1
RUN python -m d2l_ext setup lab
EXPOSE 8888
CMD ["python", "-m", "d2l_ext", "lab", "--no-browser", "--ip=0.0.0.0", "--port=8888", \
    "--LabApp.default_url=/lab/tree/00_index.ipynb"]
