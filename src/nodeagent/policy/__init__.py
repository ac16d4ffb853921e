"""NetworkPolicy: from the API's objects to the datapath's tables `address_set` and `policy`.

`spec` reads policies and pods, `address_sets` keeps who is selected, `compiler` says which pods of
this node admit what, `agent` follows the cluster. The packets are judged in
`datapath.network_policy`.
"""
