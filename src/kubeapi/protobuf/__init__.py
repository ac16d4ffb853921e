"""Objects in the form that typed clients of client-go 1.32 and later send.

`application/vnd.kubernetes.protobuf`: four octets of magic, then a runtime.Unknown that names the
kind and holds the object. Only reading is needed; every client takes JSON for an answer.
"""

from kubeapi.protobuf.envelope import decode
from kubeapi.protobuf.wire import MalformedProtobuf

__all__ = ["MalformedProtobuf", "decode"]
