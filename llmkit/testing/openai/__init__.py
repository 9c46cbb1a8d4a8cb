"""What OpenAI's two wires share on the host's side: keys, errors, the checks of a body, models, embeddings, counting.

Source: https://platform.openai.com/docs/api-reference
"""
