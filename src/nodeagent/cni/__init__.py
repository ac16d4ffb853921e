"""CNI 1.1, both sides: the runtime that the kubelet is, and our own plugins.

Upstream: containernetworking/cni (SPEC.md, libcni, pkg/skel) and containernetworking/plugins
(`bridge`, `host-local`). `conflist` reads a network's configuration, `chain` derives what each
plugin is told, `network` runs the chain and keeps results in `cache`. `plugins` calls one plugin:
ours in process (`bridge`, `ipam`), others by `execute`; `plugin` makes ours programs, too.

A plugin of ours is a generator: it yields what it wants done (`effects`) and is given the answer,
so the same code decides in the nodeagent and in a program of its own.
"""
