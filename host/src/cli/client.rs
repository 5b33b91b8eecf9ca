//! The HTTP client of the commands: one base URL, answers or one-sentence errors.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use super::Failure;

/// Where the server is.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Base URL of the server
    #[arg(long, value_name = "URL", env = "EVENT_STORE_BASE_URL", default_value = "http://127.0.0.1:8000")]
    url: Url,
}

/// What a list of the server's is printed as.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print what the server answered
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl ListArgs {
    /// Prints what stands at a path.
    pub async fn print(
        self,
        path: Path<'_>,
        show: impl FnOnce(&Value) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let client = Client::new(self.server)?;
        let answer = client.get(client.url(path)).await?;
        match self.json {
            true => println!("{answer}"),
            false => print!("{}", show(&serde_json::from_str(&answer)?)?),
        }
        Ok(())
    }
}

pub struct Client {
    base: Url,
    http: reqwest::Client,
}

/// A path made of segments that may hold any character.
pub type Path<'a> = &'a [&'a str];

impl Client {
    pub fn new(args: ServerArgs) -> Result<Self, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        if args.url.cannot_be_a_base() {
            return Err(format!("'{}' is not a base URL like http://127.0.0.1:8000", args.url).into());
        }
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { base: args.url, http })
    }

    pub fn url(&self, path: Path<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    pub async fn get(&self, url: Url) -> Result<String, Failure> {
        self.send(Method::GET, url, String::new()).await
    }

    /// The answer in a form of the caller's choice.
    pub async fn get_as(&self, url: Url, accept: &str) -> Result<String, Failure> {
        let request = self.http.get(url).header("accept", accept);
        answer(self.answered(request).await?).await
    }

    pub async fn post(&self, path: Path<'_>, body: String) -> Result<String, Failure> {
        self.send(Method::POST, self.url(path), body).await
    }

    /// Sends a body of another form than JSON.
    pub async fn post_as(&self, path: Path<'_>, content_type: &str, body: String) -> Result<String, Failure> {
        let request = self.http.post(self.url(path)).header("content-type", content_type).body(body);
        answer(self.answered(request).await?).await
    }

    /// A good answer whose body is still to be read.
    pub async fn post_stream(&self, url: Url) -> Result<Response, Failure> {
        let response = self.respond(Method::POST, url, String::new()).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(answer(response).await.err().unwrap_or_else(|| "the server refused".into()))
    }

    async fn send(&self, method: Method, url: Url, body: String) -> Result<String, Failure> {
        answer(self.respond(method, url, body).await?).await
    }

    async fn respond(&self, method: Method, url: Url, body: String) -> Result<Response, Failure> {
        self.answered(self.http.request(method, url).header("content-type", "application/json").body(body)).await
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Response, Failure> {
        Ok(request.send().await.map_err(|_| format!("no server answers at {}", self.base))?)
    }
}

/// The body of a good answer, or what the server says is wrong.
async fn answer(response: Response) -> Result<String, Failure> {
    let status = response.status();
    let text = response.text().await?;
    if status.is_success() {
        return Ok(text);
    }
    let told = serde_json::from_str::<Value>(&text).ok().and_then(|body| body["detail"].as_str().map(str::to_owned));
    Err(told.unwrap_or_else(|| format!("the server answered {status}")).into())
}
