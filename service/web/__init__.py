"""Pages for people, served by this process: the demo shop and the browser client."""
