// llama.cpp running a whole language model, as a side of bench/contest.mjs (lines.hpp).
//
//   {"ask":"load","model":"/x.gguf","threads":1}         ->  {"case":0}             (a context of its own; the same file is mapped once)
//   {"ask":"logits","case":0,"tokens":"3 1 4"}           ->  {"logits":[...]}       (of the last token)
//   {"ask":"prompt","case":0,"count":512}                ->  {"seconds":...}        (of the whole prompt)
//   {"ask":"generate","case":0,"count":64,"prompt":16}   ->  {"seconds":...}        (of `count` tokens, each the likeliest, after a prompt that is not timed)
//   {"ask":"first","model":"/x.gguf","threads":1}        ->  {"seconds":...}        (opening the file to the first token after a prompt of 16)

#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include <vector>

#include "lines.hpp"
#include "llama.h"

using Model = std::shared_ptr<llama_model>;
using Clock = std::chrono::steady_clock;

static double since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

static Model load(const std::string& path) {
    Model model(llama_model_load_from_file(path.c_str(), llama_model_default_params()), llama_model_free);
    if (!model) throw Failure{"llama.cpp cannot load the model"};
    return model;
}

struct Case {
    Model model;
    std::unique_ptr<llama_context, decltype(&llama_free)> context{nullptr, llama_free};

    Case(Model of, int threads) : model(std::move(of)) {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = 1024;
        params.n_batch = params.n_ubatch = 512;
        params.n_threads = params.n_threads_batch = threads;
        context.reset(llama_init_from_model(model.get(), params));
        if (!context) throw Failure{"llama.cpp has no memory for the context"};
    }

    int vocabulary() const { return llama_vocab_n_tokens(llama_model_get_vocab(model.get())); }

    // Runs tokens after those before; returns the last one's logits.
    const float* run(std::vector<llama_token> tokens) {
        if (llama_decode(context.get(), llama_batch_get_one(tokens.data(), static_cast<int32_t>(tokens.size()))) != 0) throw Failure{"llama.cpp cannot run the tokens"};
        return llama_get_logits_ith(context.get(), -1);
    }

    void forget() { llama_memory_clear(llama_get_memory(context.get()), false); }

    llama_token likeliest(const float* logits) const { return static_cast<llama_token>(std::max_element(logits, logits + vocabulary()) - logits); }

    std::vector<llama_token> words(size_t count) const {
        std::vector<llama_token> tokens(count);
        for (size_t i = 0; i < count; i++) tokens[i] = static_cast<llama_token>((i * 7919 + 3) % 256);
        return tokens;
    }
};

static std::string logits(Case& opened, const std::string& text) {
    std::vector<llama_token> tokens;
    std::istringstream in(text);
    for (llama_token each; in >> each;) tokens.push_back(each);
    opened.forget();
    const float* found = opened.run(tokens);
    std::ostringstream out;
    out.precision(9);
    for (int i = 0; i < opened.vocabulary(); i++) out << (i ? "," : "{\"logits\":[") << found[i];
    return out.str() + "]}";
}

static double prompt(Case& opened, size_t count) {
    opened.forget();
    auto tokens = opened.words(count);
    auto began = Clock::now();
    opened.run(tokens);
    return since(began);
}

static double generate(Case& opened, size_t count, size_t before) {
    opened.forget();
    llama_token token = opened.likeliest(opened.run(opened.words(before)));
    auto began = Clock::now();
    for (size_t i = 0; i < count; i++) token = opened.likeliest(opened.run({token}));
    return since(began);
}

static double first(const std::string& path, int threads) {
    auto began = Clock::now();
    Case opened(load(path), threads);
    opened.likeliest(opened.run(opened.words(16)));
    return since(began);
}

int main() {
    std::vector<std::unique_ptr<Case>> cases;
    std::map<std::string, Model> models;
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    llama_backend_init();
    serve([&](Request request) -> std::string {
        const std::string& ask = request["ask"];
        if (ask == "first") return seconds_json(first(request["model"], static_cast<int>(number(request, "threads"))));
        if (ask == "load") {
            Model& model = models[request["model"]];
            if (!model) model = load(request["model"]);
            cases.push_back(std::make_unique<Case>(model, static_cast<int>(number(request, "threads"))));
            return "{\"case\":" + std::to_string(cases.size() - 1) + "}";
        }
        Case& opened = *cases.at(number(request, "case"));
        if (ask == "logits") return logits(opened, request["tokens"]);
        if (ask == "prompt") return seconds_json(prompt(opened, number(request, "count")));
        if (ask == "generate") return seconds_json(generate(opened, number(request, "count"), number(request, "prompt")));
        throw Failure{"nothing is asked by " + ask};
    });
}
