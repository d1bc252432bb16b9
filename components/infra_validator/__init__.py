"""Does the exported model really serve? Asks it, in a server process, before anybody else can."""
