"""Network policies: from the API's objects to the datapath's tables `address_set` and `policy`.

`front_ends` names the kinds of policies and who reads each into one rule set (`spec`); `facts` is
what is read of pods and nodes, `address_sets` keeps who is selected, `compiler` says what becomes
of this node's pods, `agent` follows the cluster. The packets are judged in
`datapath.network_policy`; `explanation` and `matrix` ask the same code for people.
"""
