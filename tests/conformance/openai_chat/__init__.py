"""What the conformance tests of the wire ``openai-chat`` compare it with."""
