"""The only room that knows which framework is running.

Everything above takes Keras from here (`from vild.backends import keras`), so
that the backend is chosen before Keras is first imported, and calls `kernels`:
the module of the running backend. The three modules hold the same names:

- `weighted_gather(table, indices, weights)`: sums of weighted table rows, the
  inner loop of the RoI crop.
- `similarities(vectors, rows)`: the product of every vector with every row.
- `top_k(values, k)`: the largest of each row, ties in order of position.
- `greedy_nms(boxes, items, groups, eligible, limit, suppresses)`: greedy
  suppression within groups, in the order given, until `limit` are kept.
- `compile(function, variables)`: the function compiled for inference.
- `devices(number)`: the devices that a training runs on, as a context.
- `data_parallel(layer)`, `mean_over_replicas(value)`, `share_of_sum(loss)`,
  `anywhere(flag)`: what devices that share a batch tell each other;
  `mean_over_parts(function, *trees)`: of what each finds in its own part.
"""

import importlib

from vild.backends.selection import select_backend

_name = select_backend()

import keras  # noqa: E402  (only now is the backend decided)

kernels = importlib.import_module(f"vild.backends.{_name}")

__all__ = ["keras", "kernels"]
