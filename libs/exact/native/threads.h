// Threads that share loops; each iteration writes its own part of the result.
#pragma once
#include <functional>

// Threads that compute, the calling one included.
void setThreads(int count);

// Runs body(0) to body(count - 1), on all threads if it pays. Rethrows what an iteration threw.
void parallelFor(int count, bool pays, const std::function<void(int)>& body);
