"""What features tell about people: how well a linear classifier names the actor (speaker) of a clip."""
