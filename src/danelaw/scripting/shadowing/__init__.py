"""A version that runs beside the active one and changes nothing: what it would have done is compared and counted.

`quiet` takes the effects out of the library, `taping` answers a shadow with what the active version was told, `compare`
says how two outcomes for one message differ, and is pure.
"""
