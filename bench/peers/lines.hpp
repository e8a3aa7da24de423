// The answering half of bench/contest.mjs for peers in C++: one flat JSON object a line is asked, one is answered.
#pragma once

#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <string>

using Request = std::map<std::string, std::string>;

struct Failure {
    std::string why;
};

// A flat object of plain words and whole numbers.
inline Request parse(const std::string& line) {
    Request request;
    std::string name, word;
    bool quoted = false;
    auto put = [&] {
        if (!name.empty()) request[name] = word;
        name.clear();
        word.clear();
    };
    for (char c : line) {
        if (c == '"') quoted = !quoted;
        else if (quoted) word += c;
        else if (c == ':') name.swap(word), word.clear();
        else if (c == ',' || c == '}') put();
        else if (c != '{' && c != ' ' && c != '\r') word += c;
    }
    return request;
}

inline size_t number(const Request& request, const char* name) {
    auto found = request.find(name);
    return found == request.end() ? 0 : std::stoull(found->second);
}

// Answers lines until stdin ends; `answer` returns a JSON object or throws.
template <typename Answer> void serve(Answer answer) {
    for (std::string line; std::getline(std::cin, line);) {
        try {
            std::printf("%s\n", answer(parse(line)).c_str());
        } catch (const Failure& failure) {
            std::printf("{\"error\":\"%s\"}\n", failure.why.c_str());
        } catch (const std::exception& failure) {
            std::printf("{\"error\":\"%s\"}\n", failure.what());
        }
        std::fflush(stdout);
    }
}

inline std::string seconds_json(double seconds) {
    char text[48];
    std::snprintf(text, sizeof text, "{\"seconds\":%.9e}", seconds);
    return text;
}
