"""OpenAI's Responses API, read and written without llmkit."""
