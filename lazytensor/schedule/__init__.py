"""From dag to plan: in which order the operations run, how long each value lives, and in whose memory."""
