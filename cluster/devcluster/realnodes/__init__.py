"""Real nodes on one machine: each a set of namespaces in which a kubelet runs containers.

addresses   which addresses and names a cluster's network has (pure)
files       what each program on a node is told (pure)
needs       what the machine must have
cgroups     where a node's processes are counted and limited
init        the first process of a node: makes its root, starts its programs, reaps
machine     one set of namespaces: start it, enter it, cut it off, end it
fleet       all of a cluster's nodes, and the switch that joins them
images      archives of images, made without a container engine, and their way to the nodes
install     KubeMacPool as pods
"""
