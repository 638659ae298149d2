#!/usr/bin/env bash
# What a start costs on a GPU, in six minutes: bash experiments/benchmark/on_gpu.sh DIR
# DIR: pictures as DIR/train/<class>/*.jpg and DIR/test/<class>/*.jpg. Everything goes into gpu-<time>/ here.
# PYTHON is the interpreter, .venv/bin/python if unset; PyTorch is measured where it is installed.
set -u
pictures=$(realpath "${1:?the folder of pictures}")
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
out=gpu-$(date +%Y%m%d-%H%M%S)
mkdir "$out"
export JAXDL_CACHE=$PWD/$out/cache

# measure NAME SECONDS COMMAND...: its output, its time and its status, and no longer than so many seconds.
measure() {
    local name=$1 limit=$2 began=$EPOCHREALTIME
    shift 2
    echo "== $name: ${XLA_FLAGS:+XLA_FLAGS=$XLA_FLAGS }$*"
    timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1
    local status=$?
    printf 'status %d after %.1f s (at most %d)\n' $status "$(bc <<<"$EPOCHREALTIME - $began")" "$limit"
    grep -v '^$' "$out/$name.log" | tail -n 12
} 2>&1

speed=("$python" -m experiments.cifar --recipe speed --precision bf16 --dataset folder --data-dir "$pictures")
start=("$python" -m experiments.benchmark --subject start --rounds 1 --precision bf16 --model)

{
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
    # The whole command, from nothing and again: "testing" and the report are in its own words.
    measure first-run 80 "${speed[@]}" --out "$out/first"
    measure second-run 30 "${speed[@]}" --out "$out/second"
    measure one-update-a-program 40 "${speed[@]}" --no-resident --steps 60 --no-report --out "$out/plain"
    # A step's program with kernels chosen by timing (4), among fewer (1), and not at all (0); without Triton's; with
    # as many compilers as cores.
    for setting in autotune_level=1 autotune_level=0 enable_triton_gemm=false "force_compilation_parallelism=$(nproc)"; do
        XLA_FLAGS="--xla_gpu_$setting" measure "start-${setting%=*}-${setting#*=}" 20 \
            "${start[@]}" resnet18 --contestants jaxdl --out "$out/start-$setting.json"
    done
    measure start 45 "${start[@]}" resnet18 --out "$out/start.json"
    measure accelerator-tests 45 "$python" -m pytest -m accelerator -n 0 -p no:cacheprovider
    measure airbench94 30 "$python" -m experiments.benchmark --subject accuracy --precision bf16 --dataset folder \
        --data-dir "$pictures" --target 0.89 --contestants airbench94,speed --out "$out/accuracy.json"
} | tee "$out/log.txt"
