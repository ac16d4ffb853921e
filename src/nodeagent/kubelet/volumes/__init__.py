"""Volumes of pods: what is in them, where they are on the node, how containers see them.

`payload` says what files a volume holds, `atomic_writer` puts them on disk, `volume_manager` does
both for whole pods, `mounts` names what a container sees of them. Upstream: pkg/volume and
pkg/kubelet/volumemanager.
"""
