"""The slots that an engine has on each of its nodes, and the CPUs that kumo finds there.

- `node`: the one function that runs on a node, and the text that it sends back.
- `records`: nodes, groups of them and the whole fleet.
- `reading`: from a node's text to a `Node`, whatever is in the text.
- `groups`: which nodes share a limit, and whether their slots fit it.
- `adapters`: the engines, and how each is asked. One module an engine: `files`, `slurm`, `mpi`, ...
- `gather`: the question asked of one engine or several.

The engine's package is imported by its adapter alone. The engine carries the question and the
answers. They are JSON with a schema number, never a pickle: versions of kumo differ in a fleet.
"""
