#!/bin/sh
# Nothing runs in a root that is being installed: there is no init to tell of new libraries, and
# nobody to wait a second for.
exit 0
