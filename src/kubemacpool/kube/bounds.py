"""How large an answer of the API server may be. Each bound says where it comes from."""

# One object is at most 3 MiB as it is sent to the API server (its MaxRequestBodyBytes), and JSON makes at most six
# bytes of one (\u0000).
LARGEST_OBJECT_BYTES = 6 * 3 * 1024 * 1024

# A page must have room for one such object, and has it for 500 pods of 60 KB; eight times what they are.
LARGEST_BODY_BYTES = LARGEST_OBJECT_BYTES + 14 * 1024 * 1024

# The event around an object is some forty bytes; the rest is room for what nobody has thought of.
LONGEST_LINE_BYTES = LARGEST_OBJECT_BYTES + 64 * 1024

# A Status is some hundred bytes; the rest of a long page of some proxy explains nothing.
LARGEST_FAILURE_BYTES = 64 * 1024
