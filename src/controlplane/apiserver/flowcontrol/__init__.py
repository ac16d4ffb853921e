"""API priority and fairness: which request may be worked on now (upstream: util/flowcontrol).

`schemas` finds the FlowSchema of a request, `levels` has the seats and the queues of each priority
level, `admission` is the shell that waits. Simplified: every request takes one seat, seats are lent
at the moment they are asked for instead of every ten seconds, queues take turns request by request
instead of by what requests cost, and administrators have a bound, too, so that nothing is without.
"""
