"""Mail coming in: listeners, sessions, the decision to relay, and the 250 that is only said once the disk has it."""
