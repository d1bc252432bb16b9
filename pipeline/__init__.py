"""When and where: config, graph, runner, leaderboard, command line."""
