"""What the conformance test is made of: recordings, a server that replays them, readers that owe llmkit nothing."""
