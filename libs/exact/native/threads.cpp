#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

// One loop, alive until its last iteration has ended.
struct Loop {
  const std::function<void(int)>* body;
  int count;
  std::atomic<int> next{0};
  std::atomic<int> finished{0};
  std::exception_ptr error;
};

class Pool {
 public:
  ~Pool() { resize(0); }

  void resize(int workers) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    stopping_ = false;
    for (int i = 0; i < workers; i++) threads_.emplace_back([this] { serve(); });
  }

  bool isEmpty() const { return threads_.empty(); }

  void run(int count, const std::function<void(int)>& body) {
    std::lock_guard<std::mutex> one(running_);
    auto loop = std::make_shared<Loop>();
    loop->body = &body;
    loop->count = count;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      loop_ = loop;
      generation_++;
    }
    wake_.notify_all();
    iterate(*loop);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return loop->finished == count; });
    loop_.reset();
    if (loop->error) std::rethrow_exception(loop->error);
  }

 private:
  void iterate(Loop& loop) {
    for (int i = loop.next++; i < loop.count; i = loop.next++) {
      try {
        (*loop.body)(i);
      } catch (...) {
        std::lock_guard<std::mutex> lock(mutex_);
        loop.error = std::current_exception();
      }
      if (++loop.finished == loop.count) {
        std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_all();
      }
    }
  }

  void serve() {
    unsigned seen = 0;
    while (true) {
      std::shared_ptr<Loop> loop;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || (generation_ != seen && loop_); });
        if (stopping_) return;
        seen = generation_;
        loop = loop_;
      }
      iterate(*loop);
    }
  }

  std::mutex running_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::thread> threads_;
  std::shared_ptr<Loop> loop_;
  unsigned generation_ = 0;
  bool stopping_ = false;
};

Pool& pool() {
  static Pool shared;
  return shared;
}

}  // namespace

void setThreads(int count) { pool().resize(count > 1 ? count - 1 : 0); }

void parallelFor(int count, bool pays, const std::function<void(int)>& body) {
  if (pays && count > 1 && !pool().isEmpty()) return pool().run(count, body);
  for (int i = 0; i < count; i++) body(i);
}
