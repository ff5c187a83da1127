"""The command line. ``main`` names the commands; the modules beside it hold them."""
