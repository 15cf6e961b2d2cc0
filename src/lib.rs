//! tailcast: follows log files by name and streams every new line, live, to any number of clients.
