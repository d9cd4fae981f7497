"""llama.cpp's own server, from the wheel `xllamacpp`, on a loopback port.

Arguments: the model's file, parallel sequences, tokens of context for each of them, threads. Prints the address on stdout
when the model is loaded, and stays until stdin closes.
"""

import sys

import xllamacpp


def main():
    model, parallel, ctx_size, threads = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = int(parallel)
    # The server shares its context among the sequences: each gets an equal part.
    params.n_ctx = int(parallel) * int(ctx_size)
    params.cpuparams.n_threads = int(threads)
    params.cpuparams_batch.n_threads = int(threads)
    # Each round computes everything: nothing is kept from one request for another.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.ctx_shift = False
    # Everything else is as the server has it by itself: batches, flash attention, the cache's type.
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


main()
