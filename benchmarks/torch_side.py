"""Hugging Face transformers' GPT-2 with its KV cache, timed: run by transformer.py in an environment that has both.

    PYTHON torch_side.py '{"n_classes": ..., "n_layers": ..., "size": ..., "n_heads": ..., "inner_size": ...,
                           "window": ..., "threads": ..., "events": ...}'

Prints one JSON line: the number of parameters, and for every event its seconds, by the clock and of the processor. It
needs torch and transformers alone, and no brainmidi.
"""

import json
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel


def main():
    """Feed one event after the other, each the likeliest after those before it, up to the model's context."""
    given = json.loads(sys.argv[1])
    torch.set_num_threads(given["threads"])
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=given["n_classes"],
        n_positions=given["window"],
        n_embd=given["size"],
        n_layer=given["n_layers"],
        n_head=given["n_heads"],
        n_inner=given["inner_size"],
        bos_token_id=0,
        eos_token_id=1,
    )
    model = GPT2LMHeadModel(config).eval()
    event, past, clock, processor = torch.tensor([[7]]), None, [], []
    with torch.inference_mode():
        for _ in range(min(given["events"], given["window"])):
            begun = time.perf_counter(), time.process_time()
            out = model(input_ids=event, past_key_values=past, use_cache=True)
            past = out.past_key_values
            event = out.logits[:, -1:].argmax(-1)
            clock.append(time.perf_counter() - begun[0])
            processor.append(time.process_time() - begun[1])
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    print("TIMES " + json.dumps({"parameters": n_parameters, "clock_s": clock, "processor_s": processor}))


if __name__ == "__main__":
    main()
