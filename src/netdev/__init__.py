"""Where frames meet the world: veths (Unix sockets), the UDP underlay, capture files.

The thin, socket-owning shells around frames. What a frame means is `netstack`'s business and the
datapath's; nothing here looks behind a length. The unit of every interface is a batch.
"""
