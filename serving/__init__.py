"""Who answers: the model repository, the gRPC client, and the embedded model server."""
